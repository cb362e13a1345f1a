#include "model_name.h"

#include "host.h"

namespace quern::app {

CLI::Option* add_model_name(CLI::App& command, ModelName& name) {
  add_folders_flag(command, name.folders);
  return command.add_option("MODEL", name.model, "A name that `quern list` shows, or a path");
}

void add_folders_flag(CLI::App& command, std::vector<std::string>& folders) {
  command
      .add_option("--models", folders,
                  "A further folder to look for models in (may be given several times)")
      ->type_name("DIR")
      ->allow_extra_args(false);
}

void add_unknown_pre_flag(CLI::App& command, bool& allow_unknown_pre) {
  command.add_flag("--allow-unknown-pre", allow_unknown_pre,
                   "Use the default pre-tokenizer where the model's is unknown");
}

Result<std::filesystem::path> find_model(const ModelName& name) {
  const HostPaths host = host_paths(name.folders);
  QUERN_TRY(check_folders(host));
  return resolve_model(name.model, host);
}

}  // namespace quern::app
