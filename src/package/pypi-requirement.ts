// A package of a Python index as people write it: name, extras, versions. Pure. Called by command-line-python.ts for
// what somebody typed, and wherever two spellings of a name have to be found equal.

export interface PypiRequirement {
  /** As it was written. */
  readonly name: string;
  readonly extras: readonly string[];
  /** `latest`, or version specifiers without spaces, such as `==1.2.3` or `>=1,<2`. */
  readonly wanted: string;
}

const MAX_LENGTH = 300;
const NAME = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
const SPECIFIER = "(?:===?|~=|!=|[<>]=?)\\s*[0-9A-Za-z.*+!_-]+";
const REQUIREMENT = new RegExp(
  `^(${NAME})\\s*(?:\\[\\s*(${NAME}(?:\\s*,\\s*${NAME})*)\\s*\\])?\\s*` +
    `(?:@\\s*(latest|[0-9][0-9A-Za-z.+!_-]*)|(${SPECIFIER}(?:\\s*,\\s*${SPECIFIER})*))?$`,
);

/** `name`, `name[extra]==1.2`, `name>=1,<2`, `name@1.2`, `name@latest`; undefined for addresses, paths and markers. */
export function parseRequirement(text: string): PypiRequirement | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const [, name, extras, at, specifiers] = REQUIREMENT.exec(text.trim()) ?? [];
  if (name === undefined) return undefined;
  return {
    name,
    extras: extras === undefined ? [] : extras.split(",").map((extra) => extra.trim()),
    wanted:
      at === undefined ? (specifiers?.replace(/\s+/g, "") ?? "latest") : at === "latest" ? at : `==${at}`,
  };
}

/** As a requirements file has it. */
export function requirementText({ name, extras, wanted }: PypiRequirement): string {
  return `${name}${extras.length === 0 ? "" : `[${extras.join(",")}]`}${wanted === "latest" ? "" : wanted}`;
}

/** The version that `wanted` names, where it names one and no other. */
export function exactVersion(wanted: string): string | undefined {
  return /^===?([0-9][0-9A-Za-z.+!_-]*)$/.exec(wanted)?.[1];
}

/** The one spelling of a name that an index files it under (PEP 503). */
export function normalizeName(name: string): string {
  return name.replace(/[-_.]+/g, "-").toLowerCase();
}
