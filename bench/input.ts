/** The input of the POST route: one check for all contenders, as a Standard Schema too. */
export interface Input {
  by: number;
}

export function isInput(value: unknown): value is Input {
  return typeof value === "object" && value !== null && typeof (value as { by?: unknown }).by === "number";
}

const validate = (value: unknown): { value: Input } | { issues: { message: string; path: string[] }[] } =>
  isInput(value) ? { value } : { issues: [{ message: "by: a number", path: ["by"] }] };

export const Input = { "~standard": { version: 1 as const, vendor: "bench", validate } };
