// What a mount namespace shows, from the text of /proc/PID/mountinfo (proc_pid_mountinfo(5)). Pure; evidence.ts asks.

interface Mounted {
  /** `major:minor` of the file system. */
  readonly device: string;
  /** Which directory of the file system is seen at `point`. */
  readonly root: string;
  readonly point: string;
}

/**
 * Where in `theirs` the file shows that is at `path` in `ours`, under whatever name: undefined for nowhere.
 * @param path absolute, without links
 */
export function whereShown(path: string, ours: string, theirs: string): string | undefined {
  const home = covering(parse(ours), path);
  if (home === undefined) return undefined;
  const place = moved(path, home.point, home.root);
  const table = parse(theirs);
  for (const mounted of table) {
    if (mounted.device !== home.device || !holds(mounted.root, place)) continue;
    const shown = moved(place, mounted.root, mounted.point);
    // Another mount may lie over it.
    if (covering(table, shown) === mounted) return shown;
  }
  return undefined;
}

/** The mount to which a path leads: the deepest, and of two at one point the later. */
function covering(table: readonly Mounted[], path: string): Mounted | undefined {
  let found: Mounted | undefined;
  for (const mounted of table) {
    if (holds(mounted.point, path) && mounted.point.length >= (found?.point.length ?? 0)) found = mounted;
  }
  return found;
}

function parse(text: string): readonly Mounted[] {
  return text.split("\n").flatMap((line) => {
    const [, , device, root, point] = line.split(" ");
    if (device === undefined || root === undefined || point === undefined) return [];
    return [{ device, root: plain(root), point: plain(point) }];
  });
}

/** Blanks and the like are written as `\040`. */
function plain(path: string): string {
  if (!path.includes("\\")) return path;
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function holds(directory: string, path: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

/** The path below `from` as a path below `to`. */
function moved(path: string, from: string, to: string): string {
  const rest = from === "/" ? path : path.slice(from.length);
  const whole = to === "/" ? rest : `${to}${rest === "/" ? "" : rest}`;
  return whole === "" ? "/" : whole;
}
