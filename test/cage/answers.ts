// What the probe would print in a cage that holds, line by line, with answers of a test's own in between.

import { attemptsFor, type ProbeTargets } from "../../src/cage/probe-plan.ts";
import type { LaunchPlan } from "../../src/cage/launch-plan.ts";
import { TARGETS } from "./example-plans.ts";

/** By the text of an attempt: its outcome, then a tab and its detail where there is one. */
export type Answers = Readonly<Record<string, string>>;

const BY_FILTER: Answers = {
  clone3: "ENOSYS",
  "fast-open": "EOPNOTSUPP",
  "packet-socket": "EAFNOSUPPORT",
  vsock: "EAFNOSUPPORT",
  x32: "EPERM",
  i386: "killed 31",
};

export function printed(plan: LaunchPlan, own: Answers = {}, targets: ProbeTargets = TARGETS): string {
  const lines = attemptsFor(plan, targets).map(({ text }) => {
    const answer = own[text] ?? BY_FILTER[text] ?? found(plan, text, targets) ?? "EPERM";
    return `${text}\t${answer.includes("\t") ? answer : `${answer}\t`}\n`;
  });
  return lines.join("");
}

function found(plan: LaunchPlan, text: string, { reads, writes }: ProbeTargets): string | undefined {
  const granted = [...reads.map((path) => `read ${path}`), ...writes.map((path) => `write ${path}`)];
  if (granted.includes(text)) return "ok";
  if (text === "uid") return `ok\t${identity(plan)}`;
  if (text === "limits")
    return "ok\taddress-space=18446744073709551615 data=1073741824 processes=256 files=1024";
  if (text === "landlock") return "ok\t7";
  if (plan.level !== "isolated") return text === "pids" ? "ok\t87" : undefined;
  if (text === "pids") return "ok\t2";
  if (text === "namespaces")
    return "ok\tmnt:[101] pid:[102] net:[103] ipc:[104] uts:[105] user:[6] cgroup:[7]";
  if (text === "interfaces") return "ok\tlo";
  return text.startsWith("list ") ? "ENOENT" : undefined;
}

export function identity(plan: LaunchPlan): string {
  const { uid, gid } = plan.identity.kind === "appliance" ? { uid: 998, gid: 998 } : plan.identity;
  return (
    `uid=${uid} effective-uid=${uid} saved-uid=${uid} gid=${gid} effective-gid=${gid} saved-gid=${gid} groups=0 ` +
    "effective=0 permitted=0 inheritable=0 bounding=0 ambient=0 no-new-privileges=1 seccomp=2"
  );
}
