// Memory that nobody can touch outside a backend's ops: every page is PROT_NONE until open().
#pragma once

#include <memory>

#include "backend/cpu/cpu_memory.h"

namespace quern::test {

std::unique_ptr<CpuMemory> make_vault_memory();

}  // namespace quern::test
