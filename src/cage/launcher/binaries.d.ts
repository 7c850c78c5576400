// Files that the bundler embeds for launcher.ts: the programs as a path to read from, the list of hashes as text.

declare module "*/launcher-x64" {
  const path: string;
  export = path;
}

declare module "*/launcher-arm64" {
  const path: string;
  export = path;
}

declare module "*/SHA256SUMS" {
  const text: string;
  export = text;
}
