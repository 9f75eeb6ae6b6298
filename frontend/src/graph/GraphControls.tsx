import { Panel, useReactFlow } from "@xyflow/react";

import { t } from "../lib/i18n";
import { Button } from "../ui/Button";

/** Zoom and fit, as buttons that a keyboard reaches. */
export function GraphControls() {
  const { zoomIn, zoomOut, fitView } = useReactFlow();
  return (
    <Panel position="bottom-left" className="graph-controls">
      <Button icon="plus" bare label={t("graph.zoom_in")} onClick={() => void zoomIn()} />
      <Button icon="minus" bare label={t("graph.zoom_out")} onClick={() => void zoomOut()} />
      <Button icon="maximize" bare label={t("graph.fit")} onClick={() => void fitView({ maxZoom: 1, padding: 0.06 })} />
    </Panel>
  );
}
