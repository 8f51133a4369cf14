import { FakeSlots } from "../../functions/fake/fake-slots.ts";
import { slotSourceContract } from "./slot-source.ts";

slotSourceContract("FakeSlots", () => new FakeSlots());
