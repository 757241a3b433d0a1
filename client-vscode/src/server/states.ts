import { isPassing, type ServerState } from "./state";

/** The state that the server is in: shown whenever it changes, and waited for by what needs a server. */
export class States {
  readonly #shown: readonly ((state: ServerState) => void)[];
  #now: ServerState = { kind: "starting" };
  #waiting: (() => void)[] = [];

  constructor(...shown: readonly ((state: ServerState) => void)[]) {
    this.#shown = shown;
  }

  get now(): ServerState {
    return this.#now;
  }

  /** Takes up another state. */
  readonly turn = (state: ServerState): void => {
    this.#now = state;
    for (const show of this.#shown) {
      show(state);
    }
    if (!isPassing(state)) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) {
        resolve();
      }
    }
  };

  /** Waits until a server that is on its way is there, or is known not to come. */
  readonly settled = async (): Promise<void> => {
    if (isPassing(this.#now)) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  };
}
