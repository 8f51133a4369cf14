/** `$(NAME)` in a container's command, arguments and variables, as Kubernetes expands it. Pure. */

/** Replaces `$(NAME)` by its value; one that has none stays as it is, and `$$` is a dollar sign that expands nothing. */
export function expandVariables(text: string, values: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (whole: string, name: string | undefined) =>
    name === undefined ? "$" : (values.get(name) ?? whole),
  );
}
