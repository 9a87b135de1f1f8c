import { z } from "zod";

/** The input of the POST route: one schema for all contenders. */
export const Input: z.ZodObject<{ by: z.ZodNumber }> = z.object({ by: z.number() });

export type Input = z.infer<typeof Input>;
