// The plan of one start, as data: all that crosses into `process/`. Made from a specification and what the host can
// do, and complete: no inherited environment, no PATH look-up, no decision left to take. launch-spec.ts writes it for
// the launcher.

import type { CageLevel } from "../model/cage.ts";

export interface LaunchPlan {
  /** Absolute path of the launcher. */
  readonly launcher: string;
  /** What is asked for. What is enforced is found out by the probe and from /proc. */
  readonly level: CageLevel;
  /** Absolute path of the program, then its arguments. Holds no secret. */
  readonly argv: readonly string[];
  /** The whole environment of the server. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute, exists inside. */
  readonly cwd: string;
  readonly identity: Identity;
  /** `isolated`: the whole file system of the server, in order, on an empty root. Otherwise empty. */
  readonly mounts: readonly Mount[];
  /** `confined`: all that Landlock lets it touch. Otherwise empty. */
  readonly paths: readonly PathRule[];
  readonly network: NetworkPlan;
  /** The filter as the kernel takes it (an array of struct sock_filter); undefined for none. */
  readonly seccomp: Uint8Array | undefined;
  readonly rlimits: readonly ResourceLimit[];
  /** Files (`cgroup.procs`) that put whoever writes "0" to them into a group, all of which exist. */
  readonly cgroups: readonly string[];
  /** Inside a namespace of its own. */
  readonly hostname: string;
  /** `shell`: stdin is a terminal, which becomes the server's controlling terminal. */
  readonly terminal: boolean;
}

export type Identity =
  /** As root: a uid and gid of the server alone. */
  | { readonly kind: "own-uid"; readonly uid: number; readonly gid: number }
  /** Without root: a user namespace, in which the appliance's user shows as these, never as 0. */
  | { readonly kind: "user-namespace"; readonly uid: number; readonly gid: number }
  /** That of the appliance. */
  | { readonly kind: "appliance" };

/**
 * Everything is nosuid; everything but `devices` is nodev. Targets are absolute; what is missing of them is made, but
 * only in what was made for this server: nothing is ever written to a file system of the host.
 */
export type Mount =
  | {
      readonly kind: "bind";
      /** Absolute, exists, no link in any part of it: where one is found, nothing is started. */
      readonly source: string;
      readonly target: string;
      readonly write: boolean;
      /**
       * Shows what the owner of `source` owns as owned by the server, and writes down what the server makes as the
       * owner's (an id-mapped mount). Only with `own-uid`; where the file system cannot, it is a plain bind.
       */
      readonly mapOwner: boolean;
    }
  | { readonly kind: "tmpfs"; readonly target: string; readonly bytes: number; readonly mode: number }
  /** Of its own process namespace. */
  | { readonly kind: "proc"; readonly target: string }
  /** null, zero, full, random, urandom, tty; fd, stdin, stdout, stderr; pts, ptmx and shm of its own. */
  | { readonly kind: "devices"; readonly target: string; readonly shmBytes: number }
  | { readonly kind: "directory"; readonly target: string }
  | { readonly kind: "symlink"; readonly target: string; readonly to: string }
  /** A file of its own, read-only. */
  | { readonly kind: "file"; readonly target: string; readonly content: string };

export interface PathRule {
  /** Absolute, exists, no link in any part of it: where one is found, nothing is started. */
  readonly path: string;
  /** `read` includes running what is there; `write` includes both. `device` reads and writes, and makes nothing. */
  readonly access: "read" | "write" | "device";
}

export type NetworkPlan =
  /** That of the host: `off`. */
  | { readonly kind: "host" }
  /** A namespace of its own, in which every IPv4 address is local. The listeners go to the appliance, in order. */
  | { readonly kind: "own"; readonly listeners: readonly Listener[] }
  /** `confined`: Landlock lets TCP connect to these ports, of any host. Empty: the filter refuses inet sockets. */
  | { readonly kind: "ports"; readonly ports: readonly number[] };

export interface Listener {
  readonly protocol: "tcp" | "udp";
  /** IPv4; 0.0.0.0 is every address there is. */
  readonly address: string;
  readonly port: number;
}

export interface ResourceLimit {
  readonly resource: "address-space" | "data" | "processes" | "files" | "file-size" | "core";
  /** Soft and hard. */
  readonly value: number;
}

/** A start without a cage: only the life of its process tree is tied to the appliance's. */
export function uncaged(start: Pick<LaunchPlan, "launcher" | "argv" | "env" | "cwd">): LaunchPlan {
  return {
    ...start,
    level: "off",
    identity: { kind: "appliance" },
    mounts: [],
    paths: [],
    network: { kind: "host" },
    seccomp: undefined,
    rlimits: [],
    cgroups: [],
    hostname: "",
    terminal: false,
  };
}
