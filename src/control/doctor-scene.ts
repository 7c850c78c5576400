// Where this runs, as far as it decides which command mends something: by systemd, in a container, on a host with
// AppArmor. Read from a few files; used by doctor-cages.ts.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { factFile } from "../cage/host.ts";

export interface Scene {
  /** Of the appliance. */
  readonly uid: number;
  /** Absolute path of the directory that the launcher stands in. */
  readonly launcherDirectory: string;
  /** In a container that somebody else started. */
  readonly container: "docker" | "podman" | "other" | undefined;
  /** systemd rules this host. */
  readonly systemd: boolean;
  /** The appliance is the unit that install.sh puts in place. */
  readonly service: boolean;
  /** Switches of the kernel that forbid user namespaces, by name, with the value that allows them. */
  readonly switches: readonly (readonly [name: string, value: string])[];
  /** Security modules at work, in their order; empty where they are not told. */
  readonly modules: readonly string[];
  /** Of the kernel, as major * 1000 + minor; undefined where it is not told. */
  readonly kernel: number | undefined;
}

const APPARMOR = "kernel.apparmor_restrict_unprivileged_userns";

export interface SceneOptions {
  readonly root: string;
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly launcherDirectory: string;
}

export function readScene({ root, uid, env, launcherDirectory }: SceneOptions): Scene {
  const has = (path: string): boolean => existsSync(join(root, path));
  const sysctl = (name: string): string | undefined =>
    factFile(root, `proc/sys/${name.replaceAll(".", "/")}`);
  const forbidding = [
    ["user.max_user_namespaces", "0", "15000"],
    ["kernel.unprivileged_userns_clone", "0", "1"],
    [APPARMOR, "1", "0"],
  ] as const;
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(factFile(root, "proc/sys/kernel/osrelease") ?? "") ?? [];
  return {
    uid,
    launcherDirectory,
    container: containerOf(has, env),
    systemd: has("run/systemd/system"),
    service: env["TOOLCRIB_SERVICE"] === "1",
    switches: forbidding.flatMap(([name, value, allows]) =>
      sysctl(name) === value ? [[name, allows] as const] : [],
    ),
    modules: (factFile(root, "sys/kernel/security/lsm") ?? "").split(",").filter((name) => name !== ""),
    kernel: major === undefined ? undefined : Number(major) * 1000 + Number(minor),
  };
}

function containerOf(has: (path: string) => boolean, env: SceneOptions["env"]): Scene["container"] {
  if (has(".dockerenv")) return "docker";
  if (has("run/.containerenv")) return "podman";
  const isOther = has("run/systemd/container") || env["KUBERNETES_SERVICE_HOST"] !== undefined;
  return isOther ? "other" : undefined;
}

/** What allows the launcher its user namespaces. The best of them, where several things forbid it. */
export function allowUserNamespaces(scene: Scene): string | undefined {
  const [first] = scene.switches;
  if (scene.container !== undefined) return runContainer(scene);
  if (first === undefined) return scene.service ? dropIn("namespaces", "RestrictNamespaces=no") : undefined;
  const [name, value] = first;
  return name === APPARMOR ? allowLauncher(scene.launcherDirectory) : setSwitch(name, value);
}

/** The same for every program of the host; undefined where that is not what forbids it. */
export function allowEverybody({ switches }: Scene): string | undefined {
  const [name, value] = switches.find(([each]) => each === APPARMOR) ?? [];
  return name === undefined || value === undefined ? undefined : setSwitch(name, value);
}

/** Without the parts of the default profiles that stand against cages. Without root: a container's root cannot either. */
export function runContainer({ container }: Scene): string | undefined {
  if (container !== "docker" && container !== "podman") return undefined;
  const options = ["seccomp=unconfined", "apparmor=unconfined"];
  const proc = container === "docker" ? "systempaths=unconfined" : "unmask=ALL";
  return `${container} run --user 1000:1000 ${[...options, proc].map((option) => `--security-opt ${option}`).join(" ")} …`;
}

/** A file that systemd adds to the unit. */
export function dropIn(name: string, setting: string): string {
  return (
    `printf '[Service]\\n${setting}\\n' | sudo install -D -m 644 /dev/stdin ` +
    `/etc/systemd/system/toolcrib.service.d/${name}.conf && sudo systemctl daemon-reload && ` +
    "sudo systemctl restart toolcrib"
  );
}

function setSwitch(name: string, value: string): string {
  return `echo ${name}=${value} | sudo tee /etc/sysctl.d/60-toolcrib.conf && sudo sysctl -p /etc/sysctl.d/60-toolcrib.conf`;
}

/**
 * A profile of AppArmor for the launcher alone, whatever its version: it stands at a place of its own, which nobody but
 * the appliance writes to.
 */
function allowLauncher(directory: string): string {
  const place = join(directory, "launcher-").replaceAll(/[\\{}[\]*?^"]/g, String.raw`\$&`);
  const lines = [
    "abi <abi/4.0>,",
    "include <tunables/global>",
    `profile toolcrib-launcher "${place}*" flags=(unconfined) {`,
    "  userns,",
    "}",
  ];
  const words = lines.map((line) => `'${line.replaceAll("'", String.raw`'\''`)}'`).join(" ");
  return (
    `printf '%s\\n' ${words} | sudo tee /etc/apparmor.d/toolcrib-launcher >/dev/null && ` +
    "sudo apparmor_parser -r /etc/apparmor.d/toolcrib-launcher"
  );
}
