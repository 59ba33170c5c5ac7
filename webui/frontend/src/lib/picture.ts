// Pictures from the API, fetched like everything else: so that a server that starts is waited for, a page that is left
// stops the download, and an error has a sentence.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asProblem, isAbort, send, type Problem, type Waiting } from "../client";
import { Latest } from "./latest";

export interface Picture {
  /** An address for <img> or CSS that is valid until the next picture is there. */
  url: string;
  source: string;
  width: number;
  height: number;
}

export interface PictureState {
  picture: Picture | null;
  error: Problem | null;
  waiting: Waiting | null;
  retry: () => void;
}

async function fetchPicture(
  source: string,
  signal: AbortSignal,
  onWaiting: (waiting: Waiting | null) => void,
): Promise<Picture> {
  const response = await send(source, { signal, onWaiting });
  const url = URL.createObjectURL(await response.blob());
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
  if (signal.aborted) {
    URL.revokeObjectURL(url);
    throw signal.reason;
  }
  return { url, source, width: image.naturalWidth, height: image.naturalHeight };
}

/** `steady`: finish what is under way before the newest is fetched (sliders), instead of breaking it off (pages). */
export function usePicture(source: string | null, steady = false): PictureState {
  const [state, setState] = useState<Omit<PictureState, "retry">>({ picture: null, error: null, waiting: null });
  const [turn, setTurn] = useState(0);
  const shown = useRef<string | null>(null);
  const loader = useRef<Latest<string> | null>(null);

  loader.current ??= new Latest<string>(async (wanted, signal) => {
    const onWaiting = (waiting: Waiting | null): void => {
      if (!signal.aborted) setState((old) => ({ ...old, waiting }));
    };
    try {
      const picture = await fetchPicture(wanted, signal, onWaiting);
      if (shown.current) URL.revokeObjectURL(shown.current);
      shown.current = picture.url;
      setState({ picture, error: null, waiting: null });
    } catch (error) {
      if (!signal.aborted && !isAbort(error)) setState((old) => ({ ...old, error: asProblem(error), waiting: null }));
    }
  });

  useEffect(() => {
    const latest = loader.current as Latest<string>;
    if (!steady || source === null) latest.stop();
    setState((old) => (old.error || old.waiting ? { ...old, error: null, waiting: null } : old));
    if (source !== null) latest.want(source);
  }, [source, turn, steady]);

  useEffect(
    () => () => {
      loader.current?.stop();
      if (shown.current) URL.revokeObjectURL(shown.current);
      shown.current = null;
    },
    [],
  );
  return { ...state, retry: useCallback(() => setTurn((n) => n + 1), []) };
}
