import { Component, type ReactNode } from "react";

import { t } from "../lib/i18n";
import { ErrorNote } from "./ErrorNote";

/** Keeps a defect of ours from leaving an empty page. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <>
        <p>{t("ui.broken")}</p>
        <ErrorNote error={this.state.error} onRetry={() => location.reload()} />
      </>
    );
  }
}
