declare module "*?raw" {
  const text: string;
  export default text;
}

/** Text, as wrangler takes such files. */
declare module "*.html" {
  const text: string;
  export default text;
}

interface ImportMeta {
  glob(patterns: string[], options: { query: "?raw"; import: "default"; eager: true }): Record<string, string>;
}
