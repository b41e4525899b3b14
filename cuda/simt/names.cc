// The emulated CUDA runtime's cudaFuncGetName. It returns a kernel's name in the symbol table of the kernel's library.
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <elf.h>

#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace {

// Returns the names of all functions of a library by address, including local functions, which dladdr does not find.
std::map<uint64_t, std::string> functions_of(const char* path) {
  std::map<uint64_t, std::string> found;
  std::ifstream file(path, std::ios::binary);
  const auto read = [&file](auto* into, uint64_t at, uint64_t n) {
    file.seekg(static_cast<std::streamoff>(at));
    file.read(reinterpret_cast<char*>(into), static_cast<std::streamsize>(n * sizeof *into));
  };
  Elf64_Ehdr header{};
  read(&header, 0, 1);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  read(sections.data(), header.e_shoff, sections.size());
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_SYMTAB) continue;
    std::vector<Elf64_Sym> symbols(section.sh_size / sizeof(Elf64_Sym));
    read(symbols.data(), section.sh_offset, symbols.size());
    std::string names(sections[section.sh_link].sh_size, 0);
    read(names.data(), sections[section.sh_link].sh_offset, names.size());
    for (const Elf64_Sym& symbol : symbols)
      if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC) found.emplace(symbol.st_value, names.c_str() + symbol.st_name);
  }
  return found;
}

}  // namespace

cudaError_t cudaFuncGetName(const char** name, const void* kernel) {
  static std::mutex mutex;
  static std::map<std::string, std::map<uint64_t, std::string>> libraries;
  Dl_info library{};
  if (!dladdr(kernel, &library)) return cudaErrorInvalidDeviceFunction;
  std::lock_guard lock(mutex);
  auto known = libraries.find(library.dli_fname);
  if (known == libraries.end()) known = libraries.emplace(library.dli_fname, functions_of(library.dli_fname)).first;
  const auto function =
      known->second.find(static_cast<const char*>(kernel) - static_cast<const char*>(library.dli_fbase));
  if (function == known->second.end()) return cudaErrorInvalidDeviceFunction;
  *name = function->second.c_str();
  return cudaSuccess;
}
