const WINDOW_MS = 3 * 60_000;
const DELAYS_MS = [1_000, 2_000, 4_000, 8_000] as const;

/** Decides after each crash of the server how long to wait before the next start, and when to give up. */
export class Crashes {
  #times: readonly number[] = [];

  /** Records a crash at `now` (ms); the delay before the next start (ms), or undefined to stay down. */
  record(now: number): number | undefined {
    const recent = this.#times.filter((time) => now - time < WINDOW_MS);
    this.#times = [...recent, now];
    return DELAYS_MS[recent.length];
  }

  /** Forgets what happened: the user, or a changed setting, starts afresh. */
  forget(): void {
    this.#times = [];
  }
}
