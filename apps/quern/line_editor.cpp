#include "line_editor.h"

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include <histedit.h>

#include "base/suspend.h"

namespace quern::app {
namespace {

constexpr int kHistoryLines = 1000;

// libedit reads whole characters in the encoding of the locale; where that has one-byte characters
// (no LANG set), what people type is UTF-8 all the same.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (MB_CUR_MAX == 1) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
  }
}

}  // namespace

struct LineEditor::Impl {
  EditLine* editor = nullptr;
  History* history = nullptr;
  std::filesystem::path history_file;
  std::string prompt;
  bool interrupted = false;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (history != nullptr) {
      history_end(history);
    }
    if (editor != nullptr) {
      el_end(editor);
    }
  }

  static Impl& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Impl*>(self);
  }
  static char* prompt_of(EditLine* editor) { return of(editor).prompt.data(); }
  static unsigned char on_interrupt(EditLine* editor, int /*key*/) {
    of(editor).interrupted = true;
    return CC_EOF;  // ends the reading of this line
  }
  // Ctrl-Z: back to the shell with the terminal as it was, and on from there when it returns.
  static unsigned char on_suspend(EditLine* editor, int /*key*/) {
    el_set(editor, EL_PREP_TERM, 0);
    suspend_process();
    el_set(editor, EL_PREP_TERM, 1);
    return CC_REDISPLAY;
  }

  void set_up_editor();
  void load_history();
};

void LineEditor::Impl::set_up_editor() {
  el_set(editor, EL_CLIENTDATA, this);
  el_set(editor, EL_PROMPT, &Impl::prompt_of);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, ::history, history);
  el_source(editor, nullptr);  // the user's own key bindings
  // While a line is edited, Ctrl-C and Ctrl-Z are keys like others and no signals.
  el_set(editor, EL_ADDFN, "quern-interrupt", "Forget this line", &Impl::on_interrupt);
  el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(editor, EL_ADDFN, "quern-suspend", "Back to the shell", &Impl::on_suspend);
  el_set(editor, EL_BIND, "^C", "quern-interrupt", nullptr);
  el_set(editor, EL_BIND, "^Z", "quern-suspend", nullptr);
  el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
}

// A history that cannot be read or kept is no reason not to talk.
void LineEditor::Impl::load_history() {
  HistEvent event;
  ::history(history, &event, H_SETSIZE, kHistoryLines);
  ::history(history, &event, H_SETUNIQUE, 1);
  if (!history_file.empty()) {
    std::error_code ignored;
    std::filesystem::create_directories(history_file.parent_path(), ignored);
    ::history(history, &event, H_LOAD, history_file.c_str());
  }
}

Result<LineEditor> LineEditor::create(const std::filesystem::path& history_file) {
  use_utf8();
  auto impl = std::make_unique<Impl>();
  impl->history_file = history_file;
  impl->history = history_init();
  impl->editor = el_init("quern", stdin, stdout, stderr);
  if (impl->editor == nullptr || impl->history == nullptr) {
    return fail({.kind = ErrorKind::io,
                 .where = "terminal",
                 .what = "lines cannot be edited on this terminal",
                 .expected = "a prompt on the command line or on the standard input"});
  }
  impl->load_history();
  impl->set_up_editor();
  return LineEditor(std::move(impl));
}

LineEditor::LineEditor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LineEditor::LineEditor(LineEditor&&) noexcept = default;
LineEditor& LineEditor::operator=(LineEditor&&) noexcept = default;
LineEditor::~LineEditor() = default;

Line LineEditor::read(std::string_view prompt) {
  impl_->prompt = prompt;
  impl_->interrupted = false;
  int n_bytes = 0;
  const char* text = el_gets(impl_->editor, &n_bytes);
  if (impl_->interrupted) {
    std::fputs("^C\n", stdout);
    el_reset(impl_->editor);
    return {.end = LineEnd::interrupted, .text = {}};
  }
  if (text == nullptr || n_bytes <= 0) {
    return {};
  }
  std::string line = text;
  if (line.ends_with('\n')) {
    line.pop_back();
  }
  return {.end = LineEnd::entered, .text = std::move(line)};
}

void LineEditor::remember(const std::string& text) {
  HistEvent event;
  ::history(impl_->history, &event, H_ENTER, text.c_str());
  if (!impl_->history_file.empty()) {
    ::history(impl_->history, &event, H_SAVE, impl_->history_file.c_str());
  }
}

}  // namespace quern::app
