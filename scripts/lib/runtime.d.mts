/** The types of `runtime.mjs` that tests use. */
export declare function bundle(entry: string): Promise<string>;

export declare function start(options: {
  readonly script: string;
  readonly objects: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly port?: number;
  readonly onLog?: (log: { readonly level: string; readonly message: string }) => void;
}): Promise<Runtime>;

export interface Runtime {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}
