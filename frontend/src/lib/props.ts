/** What Django gives a page: one JSON block, never markup. */

export interface PageProps {
  api: string;
  language: string;
  permissions: Record<string, boolean>;
}

/** Read the page's JSON block; null when the page mounts no entry of this name. */
export function readProps<P extends PageProps>(entry: string): { element: HTMLElement; props: P } | null {
  const element = document.getElementById("celeriac-app");
  if (element?.dataset.entry !== entry) return null;
  const block = document.getElementById(element.dataset.propsId ?? "celeriac-props");
  return { element, props: JSON.parse(block?.textContent ?? "{}") as P };
}
