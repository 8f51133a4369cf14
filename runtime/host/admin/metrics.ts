/** A registry of counters, gauges and histograms in Prometheus' text form; lean on purpose, since data-plane programs pay for every megabyte. */

/** A series whose value only grows. */
export interface Counter {
  /** Adds; 1 when nothing is given. */
  add(amount?: number): void;
}

/** A series whose value goes both ways. */
export interface Gauge {
  set(value: number): void;
  add(amount: number): void;
}

/** A series that counts observations in ranges. */
export interface Histogram {
  observe(value: number): void;
}

/** What every metric has. `Label` is the closed union of its labels' names. */
export interface MetricOptions<Label extends string> {
  /** As exposed, `_total` included. */
  readonly name: string;
  readonly help: string;
  /** In the order in which they are exposed. */
  readonly labels: readonly Label[];
  /** Distinct label values kept, 10 000; what comes later is counted together under `overflow`. */
  readonly seriesMax?: number;
}

/** Finds the series of a metric by its label values, made when it is new. Keep what it returns: the look-up costs more than the count. */
export type Family<Label extends string, Series> = (labels: Readonly<Record<Label, string>>) => Series;

/** The metrics of one program. */
export interface MetricsRegistry {
  counter<Label extends string>(options: MetricOptions<Label>): Family<Label, Counter>;
  gauge<Label extends string>(options: MetricOptions<Label>): Family<Label, Gauge>;
  histogram<Label extends string>(
    options: MetricOptions<Label> & { readonly bounds: readonly number[] },
  ): Family<Label, Histogram>;
  /** Calls back before each exposition, for values that are read rather than counted. */
  onCollect(collect: () => void): void;
  /** Everything in Prometheus' text format 0.0.4. */
  format(): string;
}

interface Value {
  value: number;
}

class Ranges implements Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const at = found < 0 ? this.#bounds.length : found;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  lines(name: string, labels: string): string {
    let text = "";
    let below = 0;
    this.#counts.forEach((count, i) => {
      below += count;
      const le = `le="${this.#bounds[i] ?? "+Inf"}"`;
      text += `${name}_bucket{${labels === "" ? le : `${labels},${le}`}} ${below}\n`;
    });
    const braces = labels === "" ? "" : `{${labels}}`;
    return `${text}${name}_sum${braces} ${this.#sum}\n${name}_count${braces} ${below}\n`;
  }
}

class Single implements Counter, Gauge, Value {
  value = 0;

  set(value: number): void {
    this.value = value;
  }

  add(amount = 1): void {
    this.value += amount;
  }
}

/** Makes an empty registry. */
export function makeMetricsRegistry(): MetricsRegistry {
  const expositions: (() => string)[] = [];
  const collectors: (() => void)[] = [];

  function family<Label extends string, Series>(
    options: MetricOptions<Label>,
    make: () => Series,
    expose: (exposition: Exposition<Series>) => string,
  ): Family<Label, Series> {
    const series = new Map<string, Series>();
    const max = options.seriesMax ?? 10_000;
    expositions.push(() => expose({ name: options.name, help: options.help, series }));
    return (labels) => {
      const key = labelText(options.labels, (name) => labels[name]);
      const known = series.get(key);
      if (known !== undefined) return known;
      const kept = series.size < max ? key : labelText(options.labels, () => "overflow");
      const made = series.get(kept) ?? make();
      series.set(kept, made);
      return made;
    };
  }

  return {
    counter: (options) => family(options, () => new Single(), exposeSingles("counter")),
    gauge: (options) => family(options, () => new Single(), exposeSingles("gauge")),
    histogram: (options) => family(options, () => new Ranges(options.bounds), exposeRanges),
    onCollect: (collect) => void collectors.push(collect),
    format() {
      for (const collect of collectors) collect();
      return expositions.map((expose) => expose()).join("");
    },
  };
}

interface Exposition<Series> {
  readonly name: string;
  readonly help: string;
  readonly series: ReadonlyMap<string, Series>;
}

function header(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
}

function exposeSingles(type: "counter" | "gauge"): (exposition: Exposition<Value>) => string {
  return ({ name, help, series }) => {
    let text = header(name, help, type);
    for (const [labels, { value }] of series)
      text += `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`;
    return text;
  };
}

function exposeRanges({ name, help, series }: Exposition<Ranges>): string {
  let text = header(name, help, "histogram");
  for (const [labels, ranges] of series) text += ranges.lines(name, labels);
  return text;
}

function labelText<Label extends string>(names: readonly Label[], valueOf: (name: Label) => string): string {
  let text = "";
  for (const name of names) text += `${text === "" ? "" : ","}${name}="${escapeValue(valueOf(name))}"`;
  return text;
}

function escapeValue(value: string): string {
  return /["\\\n]/.test(value)
    ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")
    : value;
}
