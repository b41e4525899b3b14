// A stub of libcuda.so.1 for machines without a GPU. It has only the functions that JniDriver and PanamaDriver call.
// Its only kernel is that of Driver.PTX, which computes *out = count.
#include <stdlib.h>
#include <string.h>

#ifndef VERSION
#define VERSION 12000
#endif

int cuInit(unsigned flags) { return flags; }

int cuDriverGetVersion(int* version) {
  *version = VERSION;
  return 0;
}

int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return 0;
}

static int any(void** made) {
  *made = made;
  return 0;
}

int cuDevicePrimaryCtxRetain(void** context, int device) { return any(context) + device; }
int cuCtxSetCurrent(void* context) { return context == NULL; }
int cuStreamCreate(void** stream, unsigned flags) { return any(stream) + (flags != 1); }
int cuStreamSynchronize(void* stream) { return stream == NULL; }
int cuModuleLoadData(void** module, const char* image) { return any(module) + (strstr(image, ".entry mark(") == NULL); }
int cuModuleGetFunction(void** function, void* module, const char* name) {
  return any(function) + (module == NULL || strcmp(name, "mark") != 0);
}

int cuMemAlloc_v2(void** memory, size_t bytes) {
  *memory = malloc(bytes);
  return *memory == NULL;
}

int cuMemFree_v2(void* memory) {
  free(memory);
  return 0;
}

int cuMemcpyHtoD_v2(void* to, const void* from, size_t bytes) {
  memcpy(to, from, bytes);
  return 0;
}

int cuMemcpyDtoH_v2(void* to, const void* from, size_t bytes) {
  memcpy(to, from, bytes);
  return 0;
}

int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** parameters, void** extra) {
  if (function == NULL || gx * gy * gz * bx * by * bz != 1 || shared != 0 || stream == NULL || extra != NULL) return 1;
  **(int**)parameters[0] = *(int*)parameters[1];
  return 0;
}
