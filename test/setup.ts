/** Runs before every test file: random tests begin at the seed of `test/battery.ts`. */
import fc from "fast-check";
import { seed } from "./battery.ts";

fc.configureGlobal({ seed });
