/**
 * Wraps `task` so that it never runs twice at a time. A call during a run is answered by one further run that
 * starts when the current one ends, however many calls arrived meanwhile.
 */
export function singleFlight(task: () => Promise<void>): () => Promise<void> {
  let current: Promise<void> | undefined;
  let following: Promise<void> | undefined;

  const run = (): Promise<void> => {
    current = task().finally(() => {
      current = undefined;
    });
    return current;
  };
  const runNext = (): Promise<void> => {
    following = undefined;
    return run();
  };
  return () => {
    if (following !== undefined) {
      return following;
    }
    if (current === undefined) {
      return run();
    }
    following = current.then(runNext, runNext);
    return following;
  };
}
