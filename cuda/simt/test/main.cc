// Tests of the emulator itself: the properties that other tests rely on.
#include "check.h"

int main() {
  check_runtime();
  check_warps();
  check_arithmetic();
  check_shared();
  check_order();
  check_peers();
  return failures > 0;
}
