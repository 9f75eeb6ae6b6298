/** Pictures by their lucide names, which the server uses for its task types. */

import {
  ArrowRight, Ban, Bell, Box, Braces, CalendarClock, Check, ChevronDown, ChevronRight, Circle, CircleCheck,
  CircleDashed, CircleHelp, CircleX, ClipboardPaste, Clock, CodeXml, Container, Copy, Database, Download, Eye,
  FileCode, GitCompare, Globe, GripVertical, Hourglass, Keyboard, Layers, LeafyGreen, Link2, List, ListTree,
  LoaderCircle, Lock, Maximize, Minus, Network, Pause, Play, Plus, Redo2, RotateCcw, Save, Search, SkipForward,
  Split, Square, Terminal, Timer, Trash2, TriangleAlert, Undo2, UserCheck, WandSparkles, Workflow, X,
  type LucideIcon,
} from "lucide-react";

const ICONS: Record<string, LucideIcon> = {
  "arrow-right": ArrowRight, ban: Ban, bell: Bell, box: Box, braces: Braces, "calendar-clock": CalendarClock,
  check: Check, "chevron-down": ChevronDown, "chevron-right": ChevronRight, circle: Circle,
  "circle-check": CircleCheck, "circle-dashed": CircleDashed, "circle-help": CircleHelp, "circle-x": CircleX,
  "clipboard-paste": ClipboardPaste, clock: Clock, "code-xml": CodeXml, container: Container, copy: Copy,
  database: Database, download: Download, eye: Eye, "file-code": FileCode, "git-compare": GitCompare, globe: Globe,
  "grip-vertical": GripVertical, hourglass: Hourglass, keyboard: Keyboard, layers: Layers,
  "leafy-green": LeafyGreen, "link-2": Link2, list: List, "list-tree": ListTree, "loader-circle": LoaderCircle,
  lock: Lock, maximize: Maximize, minus: Minus, network: Network, pause: Pause, play: Play, plus: Plus,
  "redo-2": Redo2, "rotate-ccw": RotateCcw, save: Save, search: Search, "skip-forward": SkipForward, split: Split,
  square: Square, terminal: Terminal, timer: Timer, "trash-2": Trash2, "triangle-alert": TriangleAlert,
  "undo-2": Undo2, "user-check": UserCheck, "wand-sparkles": WandSparkles, workflow: Workflow, x: X,
};

/** One picture; the text beside it says the same, so screen readers pass over it. */
export function Icon({ name, size = 16, className }: { name: string; size?: number; className?: string }) {
  const Picture = ICONS[name] ?? Box;
  return <Picture size={size} strokeWidth={1.8} className={className} aria-hidden="true" focusable="false" />;
}
