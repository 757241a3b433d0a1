/** The server processes of a workbench, as the system knows them. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { until } from "./workbench.mjs";

/** In the flags that `ps` shows: a copy of its parent that has not become its own program yet, command line and all. */
const FORKED = 1;

/** The processes, each with its command line. */
export function servers(home) {
  const processes = execFileSync("ps", ["-eo", "pid=,f=,args="], { encoding: "utf8" }).trim().split("\n");
  return processes
    .filter((line) => / -m apo_server( |$)/.test(line))
    .map((line) => {
      const [pid, flags, ...words] = line.trim().split(/\s+/);
      return { pid: Number(pid), flags: Number(flags), words: words.join(" ") };
    })
    // A server that starts its worker is there twice for a moment, and when it is killed then, the copy is what stays.
    .filter(({ flags }) => (flags & FORKED) === 0)
    .filter(({ pid }) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`HOME=${home}\0`);
      } catch {
        return false;
      }
    });
}

/** The server that serves, another one than before. */
export async function server(page, home, before) {
  const { pid } = await until("a server", () => servers(home).find((one) => one.pid !== before));
  await page.locator('.statusbar-item [aria-label*="APO: nothing runs"]').first().waitFor();
  return pid;
}

/** The only server, once it is one that a certain program runs. */
export async function serverOf(home, program) {
  return until(`a server of ${program}`, () => {
    const found = servers(home);
    return found.length === 1 && found[0].words.includes(`${program} -P -m apo_server`);
  });
}
