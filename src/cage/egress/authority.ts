// The certificate authority of one cage: made in memory when its server starts, gone with it. Only this cage trusts it,
// and it can vouch for nothing but the hosts whose secrets are brokered. broker.ts owns it, and answers TLS with what it
// issues; the plan puts its certificate (never its key) into the cage.
//
// NB: loaded only where a server has brokered secrets (`openBroker`): the library for X.509 costs 10 MB of memory.

import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { authorityExtensions, hostExtensions, issueCertificate } from "./broker-certificate.ts";

export interface Leaf {
  /** PEM; never written to a disk. */
  readonly privateKey: string;
  /** PEM: that of the host, then that of the authority. */
  readonly certificates: string;
  /** For TLS as this host, from 1.2 on. */
  readonly context: SecureContext;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Longer than a server runs: it reads the certificate once. */
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 30;
/** A leaf that has less left is replaced by a new one. */
const RENEW_DAYS = 10;
/** Clocks differ: valid since this long. */
const BACKDATE_MS = DAY_MS;

/** Common names have at most 64 characters (RFC 5280, ub-common-name). */
const MAX_NAME = 64;
const LEAF_NAME = "Toolcrib brokered host";

export class CertificateAuthority {
  readonly #hosts: ReadonlySet<string>;
  readonly #name: string;
  readonly #publicKey: KeyObject;
  readonly #privateKey: KeyObject;
  readonly #certificate: string;
  readonly #now: () => number;
  /** By host; as many as there are hosts. */
  readonly #leaves = new Map<string, Leaf>();

  /** `server`: whose cage it is. `hosts`: names in lower case and IP addresses, one at least. */
  constructor(server: string, hosts: readonly string[], now: () => number = Date.now) {
    this.#hosts = new Set(hosts);
    this.#now = now;
    this.#name = `Toolcrib cage of ${server}`.slice(0, MAX_NAME);
    ({ publicKey: this.#publicKey, privateKey: this.#privateKey } = ecdsaKeys());
    this.#certificate = issueCertificate({
      subject: this.#name,
      publicKey: this.#publicKey,
      issuer: this.#issuer(),
      notBefore: now() - BACKDATE_MS,
      notAfter: now() + AUTHORITY_DAYS * DAY_MS,
      extensions: authorityExtensions([...this.#hosts]),
    });
  }

  /** What the cage has to trust. */
  caCertificatePem(): string {
    return this.#certificate;
  }

  /** Made when first asked for, and again before it ends. @throws for a host that the authority is not for */
  leaf(host: string): Leaf {
    const now = this.#now();
    const known = this.#leaves.get(host);
    if (known !== undefined && known.notAfter - now > RENEW_DAYS * DAY_MS) return known;
    // It is not for the caller to be wrong about: clients would refuse the certificate anyway.
    if (!this.#hosts.has(host)) throw new Error(`this authority is not for ${host}`);
    const leaf = this.#issue(host, now);
    this.#leaves.set(host, leaf);
    return leaf;
  }

  #issue(host: string, now: number): Leaf {
    const keys = ecdsaKeys();
    const notAfter = now + LEAF_DAYS * DAY_MS;
    const certificate = issueCertificate({
      subject: LEAF_NAME,
      publicKey: keys.publicKey,
      issuer: this.#issuer(),
      notBefore: now - BACKDATE_MS,
      notAfter,
      extensions: hostExtensions(host),
    });
    const privateKey = keys.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const certificates = certificate + this.#certificate;
    const context = createSecureContext({ key: privateKey, cert: certificates, minVersion: "TLSv1.2" });
    return { privateKey, certificates, context, notAfter };
  }

  #issuer(): { name: string; publicKey: KeyObject; privateKey: KeyObject } {
    return { name: this.#name, publicKey: this.#publicKey, privateKey: this.#privateKey };
  }
}

function ecdsaKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}
