import * as Plot from "@observablehq/plot";

import { graphic } from "./graphic";
import type { Interval, Report } from "./model";
import { count, percent, range } from "./words";

/** The best score after each round, with its interval; the user's prompt is round 0. */
export function curve(report: Report, width: number): HTMLElement | undefined {
  const first = report.branches.find((branch) => branch.id === report.prompt);
  const start = first?.score != null && first.interval !== null
    ? [{ round: 0, score: first.score, interval: first.interval, n: first.n }]
    : [];
  const points = [...start, ...report.points.filter((point) => point.round > 0)];
  if (points.length < 2) {
    return undefined;
  }
  const told = (point: { round: number; score: number; interval: Interval; n: number }): string =>
    `${point.round === 0 ? "Your prompt" : `Round ${point.round}`}: ${percent(point.score)} on ${count(point.n, "selection row")}, 95 % interval ${range(point.interval)}`;
  return graphic(points.map(told).join(". "), {
    width,
    height: 220,
    marginLeft: 48,
    x: { label: "round", ticks: points.map((point) => point.round), tickFormat: "d" },
    y: { label: "score on selection rows, %", percent: true, grid: true, nice: true },
    marks: [
      Plot.ruleX(points, {
        x: "round",
        y1: (point: { interval: Interval }) => point.interval[0],
        y2: (point: { interval: Interval }) => point.interval[1],
        strokeWidth: 3,
        strokeOpacity: 0.3,
      }),
      Plot.lineY(points, { x: "round", y: "score", strokeWidth: 1.5 }),
      Plot.dot(points, { x: "round", y: "score", fill: "currentColor", r: 4, title: told }),
    ],
  });
}
