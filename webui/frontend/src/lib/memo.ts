// Components that render again only when a property is another one. (preact/compat has this too, and a lot besides.)
import { Component, createElement, type ComponentChild, type FunctionComponent, type VNode } from "preact";

export function memo<P extends object>(inner: (props: P) => VNode): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const now = this.props as Record<string, unknown>;
      const then = next as Record<string, unknown>;
      const keys = Object.keys(then);
      return keys.length !== Object.keys(now).length || keys.some((key) => !Object.is(now[key], then[key]));
    }

    override render(props: P): ComponentChild {
      return createElement(inner as FunctionComponent<P>, props);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
