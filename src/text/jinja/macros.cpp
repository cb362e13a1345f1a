// Binding of a macro's parameters, as jinja2.runtime.Macro documents it.
#include <algorithm>

#include "text/jinja/interpreter.h"
#include "text/jinja/print.h"

namespace quern::jinja {

namespace {

const Value* find_named(const Args& args, std::string_view name) {
  for (const auto& [key, value] : args.named) {
    if (key == name) {
      return &value;
    }
  }
  return nullptr;
}

bool is_parameter(const Macro& macro, std::string_view name, size_t from) {
  const auto& names = macro.parameter_names;
  return from < names.size() && std::find(names.begin() + static_cast<std::ptrdiff_t>(from),
                                          names.end(), name) != names.end();
}

}  // namespace

Status Interpreter::bind_parameters(const Macro& macro, const Args& args) {
  // Each name is compared with each.
  QUERN_TRY(runtime_.spend((macro.parameters.size() + 1) * (args.named.size() + 1) * cost::kItem));
  QUERN_TRY(bind_special(macro, args));
  const size_t n_parameters = macro.parameters.size();
  const size_t first_default = n_parameters - macro.defaults.size();
  // Given ones first: a default may name a later parameter only as an undefined value.
  for (size_t i = 0; i < n_parameters; ++i) {
    const Value* given = i < args.positional.size() ? &args.positional[i]
                                                    : find_named(args, macro.parameter_names[i]);
    set_variable(macro.parameters[i], given != nullptr ? *given : Value());
  }
  for (size_t i = args.positional.size(); i < n_parameters; ++i) {
    const std::string& name = macro.parameter_names[i];
    if (find_named(args, name) != nullptr) {
      continue;
    }
    if (i < first_default) {
      set_variable(macro.parameters[i],
                   runtime_.undefined("parameter '" + name + "' was not provided"));
      continue;
    }
    QUERN_ASSIGN(Value value, eval(*macro.defaults[i - first_default]));
    set_variable(macro.parameters[i], std::move(value));
  }
  return {};
}

// caller, varargs and kwargs, where the body uses them; an error for arguments left over.
Status Interpreter::bind_special(const Macro& macro, const Args& args) {
  const size_t n_positional = std::min(args.positional.size(), macro.parameters.size());
  const bool own_caller = is_parameter(macro, "caller", 0);
  Dict extra;
  for (const auto& [name, value] : args.named) {
    const bool to_caller = name == "caller" && macro.uses_caller && !own_caller;
    if (to_caller) {
      set_variable(ast_.caller, value);
    } else if (!is_parameter(macro, name, n_positional)) {
      QUERN_TRY(runtime_.set(extra, Value::string(name), value));
    }
  }
  if (macro.uses_caller && !own_caller && find_named(args, "caller") == nullptr) {
    set_variable(ast_.caller, runtime_.undefined("No caller defined"));
  }
  const std::string label = macro.name.empty() ? "macro None" : "macro '" + macro.name + "'";
  if (macro.uses_kwargs) {
    QUERN_ASSIGN(Value kwargs, runtime_.dict(std::move(extra)));
    set_variable(ast_.kwargs, std::move(kwargs));
  } else if (extra.size() > 0) {
    return raise(extra.find("caller") != nullptr
                     ? label +
                           " was invoked with two values for the special caller argument. "
                           "This is most likely a bug."
                     : label + " takes no keyword argument " + short_repr(extra.begin()->key));
  }
  if (macro.uses_varargs) {
    QUERN_ASSIGN(Value varargs, runtime_.tuple({args.positional.begin() +
                                                    static_cast<std::ptrdiff_t>(n_positional),
                                                args.positional.end()}));
    set_variable(ast_.varargs, std::move(varargs));
  } else if (args.positional.size() > macro.parameters.size()) {
    return raise(label + " takes not more than " + std::to_string(macro.parameters.size()) +
                 " argument(s)");
  }
  return {};
}

}  // namespace quern::jinja
