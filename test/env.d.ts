/** A file as text: vite's `?raw`. */
declare module "*?raw" {
  const text: string;
  export { text as default };
}

/** Vite's, whose own types would bring Node's. */
interface ImportMeta {
  glob(patterns: string[], options: object): Record<string, string>;
}

/** Node's, of which arktype's types name one class. */
declare module "buffer" {
  export const File: unknown;
}
