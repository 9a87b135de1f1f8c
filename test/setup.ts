/** What every test file runs behind: random tests begin at the seed of `test/battery.ts`. */
import fc from "fast-check";
import { seed } from "./battery.ts";

fc.configureGlobal({ seed });
