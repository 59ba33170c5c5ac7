// Where an object stands: the words of `kubectl get`, with an icon and a colour that say the same.
import type { ComponentChildren, JSX } from "preact";
import type { DatasetSummary } from "../api";
import { duration } from "../lib/format";
import { Icon, type IconName } from "./icons";

export type Tone = "ok" | "busy" | "warn" | "bad" | "idle";

export interface Look {
  tone: Tone;
  icon: IconName;
}

type Standing = Pick<DatasetSummary, "ready" | "reconciling" | "stalled" | "reason">;

// Reasons that name a trouble which may heal by itself: neither working nor stalled.
const TROUBLED = /^(Source|Waiting|ImagePull|Unschedulable)/;

/** How a data set's status looks; training runs have theirs in runs/standing.ts. */
export function standing(of: Standing): Look {
  if (of.reason === "Suspended") return { tone: "idle", icon: "pause" };
  if (of.stalled) return of.ready ? { tone: "warn", icon: "alert" } : { tone: "bad", icon: "error" };
  if (of.ready && !of.reconciling) return { tone: "ok", icon: "check" };
  if (of.ready) return { tone: "ok", icon: "busy" };
  if (TROUBLED.test(of.reason)) return { tone: "warn", icon: "clock" };
  return { tone: of.reconciling ? "busy" : "idle", icon: of.reconciling ? "busy" : "clock" };
}

/** A status word of any kind of object. */
export function StatusWord({ look, children }: { look: Look; children: ComponentChildren }): JSX.Element {
  return (
    <span class={`status ${look.tone}`}>
      <Icon name={look.icon} spin={look.icon === "busy"} />
      {children}
    </span>
  );
}

export function Status({ of }: { of: Standing }): JSX.Element {
  return (
    <StatusWord look={standing(of)}>
      {of.reason || "Unknown"}
      {of.ready && of.stalled && <span class="hidden-text"> (a newer version is stalled)</span>}
      {of.ready && of.reconciling && <span class="hidden-text"> (a newer version is being prepared)</span>}
    </StatusWord>
  );
}

interface Going {
  /** What is being done; "Working" when nobody says. */
  stage?: string | null;
  percentage: number;
  estimatedRemainingSeconds: number | null;
}

/** "43%, about 2m left": the same numbers as kubectl's PROGRESS column. */
export function progressText(progress: Going): string {
  const left = progress.estimatedRemainingSeconds;
  return left === null ? `${progress.percentage}%` : `${progress.percentage}%, about ${duration(left)} left`;
}

export function Progress({ of, label }: { of: Going; label: string }): JSX.Element {
  const percent = Math.min(100, Math.max(0, of.percentage));
  return (
    <div class="progress">
      <div
        class="track"
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={`${of.stage ?? "Working"}: ${progressText(of)}`}
      >
        <div class="fill" style={{ transform: `scaleX(${percent / 100})` }} />
      </div>
      <span>{progressText(of)}</span>
    </div>
  );
}
