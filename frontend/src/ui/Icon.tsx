/** Pictures by their lucide names, which the server uses for its task types. */

import {
  Ban, Box, Check, Circle, CircleCheck, CircleDashed, CircleHelp, CircleX, ClipboardPaste, Clock, Code, Copy,
  Database, Globe, Hourglass, Keyboard, LeafyGreen, List, ListTree, LoaderCircle, Maximize, Minus, Pause, Play,
  Plus, Redo2, RotateCcw, Save, Search, SkipForward, Split, Square, Terminal, Trash2, TriangleAlert, Undo2,
  UserCheck, WandSparkles, Workflow, X, type LucideIcon,
} from "lucide-react";

const ICONS: Record<string, LucideIcon> = {
  ban: Ban, box: Box, check: Check, circle: Circle, "circle-check": CircleCheck, "circle-dashed": CircleDashed,
  "circle-help": CircleHelp, "circle-x": CircleX, "clipboard-paste": ClipboardPaste, clock: Clock, code: Code,
  copy: Copy, database: Database, globe: Globe, hourglass: Hourglass, keyboard: Keyboard, "leafy-green": LeafyGreen,
  list: List, "list-tree": ListTree, "loader-circle": LoaderCircle, maximize: Maximize, minus: Minus, pause: Pause,
  play: Play, plus: Plus, "redo-2": Redo2, "rotate-ccw": RotateCcw, save: Save, search: Search,
  "skip-forward": SkipForward, split: Split, square: Square, terminal: Terminal, "trash-2": Trash2,
  "triangle-alert": TriangleAlert, "undo-2": Undo2, "user-check": UserCheck, "wand-sparkles": WandSparkles,
  workflow: Workflow, x: X,
};

/** One picture; the text beside it says the same, so screen readers pass over it. */
export function Icon({ name, size = 16, className }: { name: string; size?: number; className?: string }) {
  const Picture = ICONS[name] ?? Box;
  return <Picture size={size} strokeWidth={1.8} className={className} aria-hidden="true" focusable="false" />;
}
