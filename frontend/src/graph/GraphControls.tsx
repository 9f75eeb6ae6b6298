import { Panel, useReactFlow } from "@xyflow/react";

import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import type { Viewport } from "./types";

/** Zoom and fit, as buttons that a keyboard reaches. */
export function GraphControls({ onViewport }: { onViewport?: (viewport: Viewport) => void }) {
  const { zoomIn, zoomOut, fitView, getViewport } = useReactFlow();
  const then = (moved: Promise<boolean>) => void moved.then(() => onViewport?.(getViewport()));
  return (
    <Panel position="bottom-left" className="graph-controls">
      <Button icon="plus" bare label={t("graph.zoom_in")} onClick={() => then(zoomIn())} />
      <Button icon="minus" bare label={t("graph.zoom_out")} onClick={() => then(zoomOut())} />
      <Button icon="maximize" bare label={t("graph.fit")} onClick={() => then(fitView({ maxZoom: 1, padding: 0.06 }))} />
    </Panel>
  );
}
