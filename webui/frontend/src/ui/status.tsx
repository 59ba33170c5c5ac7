// Where a data set stands: the words of `kubectl get datasets`, with an icon and a colour that say the same.
import type { JSX } from "preact";
import type { DatasetSummary, Progress as ProgressData } from "../api";
import { duration } from "../lib/format";
import { Icon, type IconName } from "./icons";

type Tone = "ok" | "busy" | "warn" | "bad" | "idle";

type Standing = Pick<DatasetSummary, "ready" | "reconciling" | "stalled" | "reason">;

export function standing(of: Standing): { tone: Tone; icon: IconName } {
  if (of.reason === "Suspended") return { tone: "idle", icon: "pause" };
  if (of.stalled) return of.ready ? { tone: "warn", icon: "alert" } : { tone: "bad", icon: "error" };
  if (of.ready && !of.reconciling) return { tone: "ok", icon: "check" };
  if (of.ready) return { tone: "ok", icon: "busy" };
  // Reasons that name a trouble which may heal by itself: neither working nor stalled.
  if (/^(Source|Waiting|ImagePull|Unschedulable)/.test(of.reason)) return { tone: "warn", icon: "clock" };
  return { tone: of.reconciling ? "busy" : "idle", icon: of.reconciling ? "busy" : "clock" };
}

export function Status({ of }: { of: Standing }): JSX.Element {
  const { tone, icon } = standing(of);
  return (
    <span class={`status ${tone}`}>
      <Icon name={icon} spin={icon === "busy"} />
      {of.reason || "Unknown"}
      {of.ready && of.stalled && <span class="hidden-text"> (a newer version is stalled)</span>}
      {of.ready && of.reconciling && <span class="hidden-text"> (a newer version is being prepared)</span>}
    </span>
  );
}

/** "43%, about 2m left": the same numbers as kubectl's PROGRESS column. */
export function progressText(progress: ProgressData): string {
  const left = progress.estimatedRemainingSeconds;
  return left === null ? `${progress.percentage}%` : `${progress.percentage}%, about ${duration(left)} left`;
}

export function Progress({ of, label }: { of: ProgressData; label: string }): JSX.Element {
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
