// Keeps web pages of strangers out: a page that a browser was tricked into loading from this address (DNS rebinding)
// sends a Host or an Origin of its own (MCP, Transports, Security Warning). Runs before everything else.

export interface GuardOptions {
  /** What the appliance listens on, without brackets. */
  readonly listenHost: string;
  /** Names of this host beside the loopback ones; with or without a port. */
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly publicUrl: string | undefined;
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);
const ANY_ADDRESS = new Set(["0.0.0.0", "::"]);

/** A sentence about what is wrong with the request's Host or Origin; undefined when nothing is. */
export type HostGuard = (host: string | null, origin: string | null) => string | undefined;

export function hostGuard(options: GuardOptions): HostGuard {
  const { listenHost, allowedHosts, allowedOrigins, publicUrl } = options;
  const names = new Set([
    ...LOOPBACK,
    listenHost.toLowerCase(),
    ...allowedHosts.map((host) => host.toLowerCase()),
  ]);
  const origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()));
  if (publicUrl !== undefined) {
    names.add(new URL(publicUrl).host.toLowerCase());
    origins.add(new URL(publicUrl).origin.toLowerCase());
  }
  const anyAddress = ANY_ADDRESS.has(listenHost);
  const knownHost = (host: string): boolean => {
    if (names.has(host)) return true;
    const name = nameOf(host);
    // Bound to every address, it answers to each of them; a page cannot rebind a literal address.
    return names.has(name) || (anyAddress && isAddress(name));
  };
  // The same few hosts come with every request.
  let lastGood: string | undefined;
  return (host, origin) => {
    if (host === null || (host !== lastGood && !knownHost(host.toLowerCase()))) {
      return "This host name is not served here; the setting allowed_hosts adds one.";
    }
    lastGood = host;
    if (origin === null) return undefined;
    const from = origin.toLowerCase();
    if (origins.has(from)) return undefined;
    const page = URL.canParse(from) ? new URL(from) : undefined;
    const isPage = page?.protocol === "http:" || page?.protocol === "https:";
    const isOwn = isPage && (page.host === host.toLowerCase() || LOOPBACK.has(nameOf(page.host)));
    return isOwn
      ? undefined
      : "Requests of this web page are not taken; the setting allowed_origins adds one.";
  };
}

function nameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\](:\d+)?$/.exec(host)?.[1];
  if (bracketed !== undefined) return bracketed;
  return host.replace(/:\d+$/, "");
}

function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name) || (name.includes(":") && /^[0-9a-f:.]+$/.test(name));
}
