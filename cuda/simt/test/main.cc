// The emulation's own tests: what it is trusted with when it stands for a GPU.
#include "check.h"

int main() {
  check_runtime();
  check_warps();
  check_arithmetic();
  check_shared();
  check_order();
  return failures > 0;
}
