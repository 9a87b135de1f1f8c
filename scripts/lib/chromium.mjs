/** The Chromium of scripts: Debian's, or the one whose path is in `CHROMIUM`. */
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";
import { fail } from "./options.mjs";

export async function launchChromium() {
  return await chromium.launch({ executablePath: process.env.CHROMIUM ?? findChromium(), args: ["--no-sandbox"] });
}

function findChromium() {
  try {
    return execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
  } catch {
    return fail("There is no Chromium: `apt-get install -y chromium`, or set CHROMIUM to its path.");
  }
}
