declare module "node:vm" {
  export function createContext(globals: object): object;
  export function runInContext(code: string, context: object): unknown;
}
