/** Mount an entry into the element that its Django page offers. */

import { QueryClientProvider } from "@tanstack/react-query";
import { type ComponentType, StrictMode } from "react";
import { createRoot } from "react-dom/client";

import "../styles/ui.css";
import { ErrorBoundary } from "../ui/ErrorBoundary";
import { setApiRoot } from "./api";
import { type Area, setLanguage } from "./i18n";
import { type PageProps, readProps } from "./props";
import { newQueryClient } from "./query";

/** Mount the component with the page's props, once its language is there. */
export async function mount<P extends PageProps>(name: string, Component: ComponentType<P>, words: Area): Promise<void> {
  const found = readProps<P>(name);
  if (!found) return;
  setApiRoot(found.props.api);
  await setLanguage(found.props.language, words);
  createRoot(found.element).render(
    <StrictMode>
      <ErrorBoundary>
        <QueryClientProvider client={newQueryClient()}>
          <Component {...found.props} />
        </QueryClientProvider>
      </ErrorBoundary>
    </StrictMode>,
  );
}
