// What cages on this host can be made of, as findings: axis by axis, what is missing, and the command that mends it.
// Pure: from facts and scene. Called by doctor.ts.

import { type Fact, type HostFacts, type Mechanism, SWITCHED_OFF } from "../cage/host.ts";
import type { DoctorFinding } from "../model/api.ts";
import { allowEverybody, allowUserNamespaces, dropIn, runContainer, type Scene } from "./doctor-scene.ts";

export type Finding = Omit<DoctorFinding, "name">;

/** @param atStart what the running appliance found when it started, and goes by; undefined without one */
export function cageFindings(
  facts: HostFacts,
  scene: Scene,
  atStart: HostFacts | undefined,
): Readonly<Record<string, Finding>> {
  return {
    cages: headline(facts, atStart),
    "user namespaces": userNamespaces(facts, scene),
    namespaces: namespaces(facts, scene),
    "own /proc": ownProc(facts, scene),
    landlock: landlock(facts, scene),
    seccomp: seccomp(facts),
    cgroups: cgroups(facts, scene),
    "mapped owners": mappedOwners(facts),
  };
}

function headline(facts: HostFacts, atStart: HostFacts | undefined): Finding {
  const { state, detail } = best(facts);
  if (atStart === undefined || best(atStart).detail === detail) return { state, detail };
  return {
    state: state === "ok" ? "partial" : state,
    detail: `${detail} That changed since the appliance started, which goes by what it found then: restart it.`,
  };
}

function best({ levels, obstacles, uid }: HostFacts): Finding {
  if (levels.isolated) {
    const identity = uid === 0 ? "a user id of its own" : "a user namespace";
    return {
      state: "ok",
      detail: `isolated: each server has its own view of files, processes and network, ${identity}, and a filter of system calls.`,
    };
  }
  if (levels.confined) {
    return {
      state: "partial",
      detail: `confined only, because ${obstacles.isolated}. Servers that do not accept less than isolated, as is the default, are blocked.`,
    };
  }
  return {
    state: "missing",
    detail: `none: ${obstacles.isolated}, and ${obstacles.confined}. Servers are blocked, unless an administrator switches a cage off.`,
  };
}

function userNamespaces({ mechanisms, uid }: HostFacts, scene: Scene): Finding {
  const fact = mechanisms["user-namespace"];
  if (uid === 0) return { state: "ok", detail: "Not needed: this runs as root." };
  if (fact.has) return { state: "ok", detail: "Each cage can have one." };
  const by = scene.switches.length === 0 ? "" : ` by ${scene.switches.map(([name]) => name).join(" and ")}`;
  return mended(
    "missing",
    `They are refused${by}${reason(fact)}.${alternative(scene)}`,
    allowUserNamespaces(scene),
  );
}

function namespaces(facts: HostFacts, scene: Scene): Finding {
  const missing = lacking(facts, { "mount-in-namespace": "files and processes", "net-namespace": "network" });
  if (missing.length === 0) return { state: "ok", detail: "Of files, processes, network and host name." };
  const detail = `A cage cannot have its own of: ${missing.join(", ")}.`;
  // Without a user namespace there are no others, and its finding has the command.
  if (facts.uid !== 0 && !facts.mechanisms["user-namespace"].has) return { state: "missing", detail };
  return mended("missing", detail + alternative(scene), allowUserNamespaces(scene));
}

function ownProc({ mechanisms }: HostFacts, scene: Scene): Finding {
  const fact = mechanisms["proc-mount"];
  if (fact.has) return { state: "ok", detail: "A cage can have one, with its own processes alone." };
  const hidden = mechanisms["mount-in-namespace"].has && fact.detail === "EPERM";
  if (!hidden) return mended("missing", `A cage cannot have one${reason(fact)}.`, undefined);
  const detail = "Parts of this /proc are hidden, and below it the kernel lets nobody mount another (EPERM).";
  const options = "ProtectProc=default\\nProcSubset=all\\nProtectKernelTunables=no\\nProtectKernelLogs=no";
  return mended("missing", detail, scene.service ? dropIn("proc", options) : runContainer(scene));
}

function landlock({ mechanisms, landlockAbi, kernel }: HostFacts, scene: Scene): Finding {
  const fact = mechanisms.landlock;
  if (fact.has && landlockAbi >= 6) return { state: "ok", detail: `ABI ${landlockAbi}` };
  if (fact.has) {
    const less = landlockAbi >= 4 ? "signals" : "connections and signals";
    return {
      state: "partial",
      detail: `ABI ${landlockAbi}: ${less} of confined servers are not limited by it. A newer kernel does.`,
    };
  }
  const why = `Servers cannot be confined${reason(fact)}.`;
  if (scene.kernel !== undefined && scene.kernel < 5013) {
    return { state: "missing", detail: `${why} Linux 5.13 brings it; this is ${kernel ?? "older"}.` };
  }
  if (scene.modules.length === 0 || scene.modules.includes("landlock"))
    return mended("missing", why, runContainer(scene));
  return mended(
    "missing",
    `${why} It is not among the security modules that were chosen at boot (${scene.modules.join(", ")}).`,
    `sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&lsm=${["landlock", ...scene.modules].join(",")} /' /etc/default/grub && ` +
      "sudo update-grub && sudo reboot",
  );
}

function seccomp({ mechanisms: { seccomp: fact } }: HostFacts): Finding {
  if (fact.has) return { state: "ok", detail: "System calls can be filtered." };
  return {
    state: "missing",
    detail: `System calls cannot be filtered${reason(fact)}: no server can have a cage.`,
  };
}

const INSTEAD = {
  memory: "memory is limited per process, not per tree",
  pids: "processes are limited per user",
  cpu: "processor time is not limited",
} as const;

function cgroups({ limits }: HostFacts, scene: Scene): Finding {
  const names = ["memory", "pids", "cpu"] as const;
  const missing = names.filter((name) => limits[name].mechanism === undefined);
  const mechanisms = [...new Set(names.flatMap((name) => limits[name].mechanism ?? []))].join(" and ");
  if (missing.length === 0) {
    return {
      state: "ok",
      detail: `memory, pids and cpu of a server's whole tree are limited by ${mechanisms}.`,
    };
  }
  const whys = [...new Set(missing.flatMap((name) => limits[name].because ?? []))].join("; ");
  const instead = missing.map((name) => INSTEAD[name]).join(", ");
  const state = missing.length === names.length ? "missing" : "partial";
  const given = mechanisms === "" ? "" : `Only some by ${mechanisms}. `;
  return mended(
    state,
    `${given}Not for ${missing.join(", ")}: ${whys}. Instead, ${instead}.`,
    delegate(scene),
  );
}

function delegate({ container, service, systemd, uid }: Scene): string | undefined {
  if (container !== undefined || !systemd) return undefined;
  if (service) return dropIn("delegate", "Delegate=cpu memory pids");
  return uid === 0
    ? 'systemd-run --scope -p "Delegate=cpu memory pids" toolcrib serve'
    : "systemd-run --user --scope -p Delegate=yes toolcrib serve";
}

function mappedOwners({ mechanisms: { idmap }, uid }: HostFacts): Finding {
  if (uid !== 0) return { state: "ok", detail: "Not needed: servers own what this user owns." };
  if (idmap.has)
    return { state: "ok", detail: "Granted paths show as the server's own, and stay their owner's." };
  return {
    state: "partial",
    detail: `The file system of the data directory cannot map owners${reason(idmap)}: a server may write to granted paths only where their permissions let everybody.`,
  };
}

function lacking(
  { mechanisms }: HostFacts,
  names: Readonly<Partial<Record<Mechanism, string>>>,
): readonly string[] {
  return Object.entries(names).flatMap(([name, words]) => {
    const [, fact] = Object.entries(mechanisms).find(([each]) => each === name) ?? [];
    return fact === undefined || fact.has ? [] : [`${words}${reason(fact)}`];
  });
}

/** Ubuntu's switch can be turned for everybody instead of for the launcher alone. */
function alternative(scene: Scene): string {
  const command = allowEverybody(scene);
  return command === undefined
    ? ""
    : ` Instead of the profile below, every program could be allowed them: ${command}`;
}

function reason({ detail }: Fact): string {
  return detail === "" ? "" : ` (${detail})`;
}

/** What an administrator switched off needs no command. */
function mended(state: Finding["state"], detail: string, mend: string | undefined): Finding {
  return mend === undefined || detail.includes(SWITCHED_OFF) ? { state, detail } : { state, detail, mend };
}
