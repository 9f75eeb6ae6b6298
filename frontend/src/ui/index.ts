/** The parts that every page is made of. */

export { Badge } from "./Badge";
export { Button } from "./Button";
export { Dialog } from "./Dialog";
export { ErrorBoundary } from "./ErrorBoundary";
export { ErrorNote } from "./ErrorNote";
export { ariaOf, Field } from "./Field";
export { Icon } from "./Icon";
export { Panel } from "./Panel";
export { Spinner } from "./Spinner";
export { StateBadge } from "./StateBadge";
export { type Look, lookOf } from "./states";
export { type Tab, Tabs } from "./Tabs";
