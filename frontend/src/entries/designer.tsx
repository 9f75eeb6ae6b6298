import { Designer } from "../designer/Designer";
import { mount } from "../lib/mount";

void mount("designer", Designer);
