// The web process's JSON, as types. Nothing here runs; endpoints.ts says which address answers with what.
import type { RunSummary } from "./api-runs";
import type { Working } from "./api-working";

export type Role = "admin" | "editor" | "viewer";

export interface Session {
  email: string;
  role: Role;
  namespaces: string[];
  server?: { version: string };
}

export interface ProblemBody {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  requestId?: string;
  errors?: { field: string; message: string }[];
}

export interface Progress {
  stage: string | null;
  percentage: number;
  estimatedRemainingSeconds: number | null;
}

export interface DatasetSummary {
  uid: string;
  namespace: string;
  name: string;
  displayName: string | null;
  ready: boolean;
  reconciling: boolean;
  stalled: boolean;
  reason: string;
  message: string;
  progress: Progress | null;
  samples: number | null;
  bytes: number | null;
  classes: number | null;
  version: { digest: string; sequence: number } | null;
  indexed: boolean;
  managedBy: string | null;
  createdAt: string;
  changedAt: string;
}

export interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
  lastTransitionTime?: string;
}

export interface BadSamples {
  count?: number;
  first?: { key: string; code: string }[];
}

export interface Volume {
  claimName?: string;
  path?: string;
  capacityBytes?: number;
  freeBytes?: number;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Dataset extends DatasetSummary {
  description: string | null;
  license: string | null;
  citation: string | null;
  homepage: string | null;
  metadata: Json;
  source: string | null;
  splits: Count[];
  shapes: string[];
  badSamples: BadSamples | null;
  conditions: Condition[];
  volume: Volume | null;
  spec: Json;
}

export interface Count {
  name: string;
  samples: number;
}

export interface Version {
  digest: string;
  sequence: number;
  sealedAt: string;
  samples: number;
  bytes: number;
  current: boolean;
  dense: { shape: number[]; dtype: string } | null;
  classes: Json[];
  depth: boolean;
}

/** The versions that the gallery shows, and what is in none of them. */
export interface Versions extends Listing<Version> {
  working: Working;
}

export interface HistoryEntry {
  at: string;
  condition: string;
  status: string;
  reason: string;
  message: string;
}

export interface LabelCount {
  /** Canonical JSON, the value of the `label` parameter; null for samples without a label. */
  label: string | null;
  text: string;
  samples: number;
}

export interface Facets {
  total: number;
  splits: Count[];
  labels: LabelCount[];
  moreLabels: boolean;
}

export interface Sample {
  idx: number;
  row: number;
  key: string;
  split: string;
  label: string | null;
  labelText: string;
  group: string | null;
  bytes: number;
  width: number;
  height: number;
  depth: number;
  channels: number;
  dtype: string;
  format: string;
  sha256: string;
  metadata: Json;
}

export interface SamplePage {
  items: Sample[];
  total: number;
  position: number;
  next: string | null;
  previous: string | null;
  version: { digest: string; sequence: number };
}

export interface About {
  shape: number[];
  dtype: string;
  min: number | null;
  max: number | null;
  percentiles?: Record<string, number | null>;
  histogram: { edges: number[]; counts: number[] };
  window: { low: number; high: number };
  /** Of NIfTI and DICOM: what they say of their pixels. */
  imaging?: Record<string, unknown>;
  /** Windows that people use for such pictures. */
  presets?: { name: string; low: number; high: number }[];
}

export interface Listing<T> {
  items: T[];
  next?: string | null;
}

export interface User {
  email: string;
  role: Role;
  namespaces: string[];
  createdAt?: string;
}

export interface Token {
  id: number;
  name: string;
  createdAt: string;
  usedAt: string | null;
  expiresAt: string | null;
}

export interface NewToken extends Token {
  token: string;
}

// What arrives on /api/v1/events.
export interface ChangeEvent {
  kind: string;
  op: "upsert" | "delete";
  uid: string;
  namespace: string;
  name: string;
  /** A summary of the kind that `kind` names; null when the object is gone. */
  object: DatasetSummary | RunSummary | null;
}

export interface HealthEvent {
  database: boolean;
  mirrorAgeSeconds: number | null;
}
