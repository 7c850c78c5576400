// Files that the bundler embeds for probe-program.ts; the list of hashes is declared beside the launcher's.

declare module "*/probe-x64" {
  const path: string;
  export = path;
}

declare module "*/probe-arm64" {
  const path: string;
  export = path;
}
