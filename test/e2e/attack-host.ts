// What the host of these tests has: as whom attacks can be run, which levels it can give, and what a single attempt
// needs. What is missing is said in one line, and only what needs it is left out.

import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { factsFor, users } from "../cage/launcher/attempts.ts";
import { type Attack, type Level, type User, USERS } from "./attack-table.ts";

/** A mechanism of `launcher --facts`, and for which users a level stands and falls with it. */
const NEEDS: Readonly<Record<Level, readonly (readonly [fact: string, user?: User])[]>> = {
  isolated: [
    ["user-namespace", "user"],
    ["mount-in-namespace"],
    ["proc-mount"],
    ["net-namespace"],
    ["seccomp"],
  ],
  confined: [["landlock"], ["seccomp"]],
  off: [],
};

const FACTS = new Map(
  users().map(
    (user) => [user.uid === 0 ? "root" : "user", { uid: user.uid, facts: factsFor(user) }] as const,
  ),
);

/** Undefined where tests cannot be run as this user. */
export function uidOf(user: User): number | undefined {
  return FACTS.get(user)?.uid;
}

/** Why this host cannot give a level to an appliance of this user; undefined where it can. */
export function obstacleTo(level: Level, user: User): string | undefined {
  const known = FACTS.get(user);
  if (known === undefined) return user === "root" ? "not root" : "no user but root";
  const needed = NEEDS[level].filter(([, only]) => only === undefined || only === user);
  const missing = needed.find(([fact]) => known.facts[fact]?.split(" ", 1)[0] !== "ok");
  return missing === undefined ? undefined : `no ${missing[0]} (${known.facts[missing[0]]})`;
}

/** 0 for none. Signals are its business from 6 on. */
export function landlockVersion(): number {
  const facts = [...FACTS.values()][0]?.facts ?? {};
  return Number(/^ok (\d+)$/.exec(facts["landlock"] ?? "")?.[1] ?? 0);
}

/** What an attempt needs of the host, and is not there. */
export function obstacleToAttack({ words }: Attack): string | undefined {
  const [verb, program = ""] = words.split(" ");
  if (verb === "run" && !existsSync(program)) return `no ${program}`;
  if (words.includes("{shm}") && Bun.which("ipcmk") === null) return "no ipcmk";
  if (words.includes("{tcp6}") && !hasLoopback6()) return "no IPv6";
  return undefined;
}

/** One line, empty where nothing is missing. */
export function lacking(levels: readonly Level[], attacks: readonly Attack[]): string {
  const ofLevels = levels.flatMap((level) =>
    USERS.flatMap((user) => {
      const why = obstacleTo(level, user);
      return why === undefined ? [] : [`${level} as ${user}: ${why}`];
    }),
  );
  const ofAttacks = attacks.flatMap((attack) => obstacleToAttack(attack) ?? []);
  const all = [...ofLevels, ...new Set(ofAttacks)];
  return all.length === 0 ? "" : `not tried, for what this host lacks: ${all.join("; ")}`;
}

function hasLoopback6(): boolean {
  return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));
}

/** For the end of a test's name: why it is skipped. */
export function because(obstacle: string | undefined): string {
  return obstacle === undefined ? "" : ` (${obstacle})`;
}
