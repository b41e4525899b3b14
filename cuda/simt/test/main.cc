// Tests of the emulator itself: the properties that other tests rely on.
#include "check.h"

int main() {
  check_runtime();
  check_warps();
  check_arithmetic();
  check_shared();
  check_order();
  return failures > 0;
}
