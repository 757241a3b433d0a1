import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

import type { Surroundings } from "../common/surroundings";
import type { Launch } from "./launch";

/** Starts the server's process; rejects when the program cannot be started at all. */
export async function spawnServer(launch: Launch, surroundings: Surroundings): Promise<ChildProcess> {
  const child = spawn(launch.command, launch.args, { ...surroundings, stdio: "pipe", windowsHide: true });
  await once(child, "spawn");
  return child;
}

/** Settles like `promise`, or rejects with `sentence` after `ms`. */
export async function within<T>(promise: Promise<T>, ms: number, sentence: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(sentence));
    }, ms);
  });
  try {
    return await Promise.race([promise, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
