# Writes OUTPUT, a C++ file with the texts of report.html (PAGE) and of Chart.js
# (SCRIPT). A literal is cut in parts that every compiler takes.
function(literal file result)
  file(READ ${file} text)
  set(parts "")
  string(LENGTH "${text}" length)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} 8000 part)
    string(APPEND parts "R\"embed(${part})embed\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  set(${result} "${parts}" PARENT_SCOPE)
endfunction()

literal(${PAGE} page)
literal(${SCRIPT} script)
file(WRITE ${OUTPUT} "#include <string_view>
namespace kvarn::tune {
extern const std::string_view kReportPage, kChartScript;
const std::string_view kReportPage =\n${page};
const std::string_view kChartScript =\n${script};
} // namespace kvarn::tune
")
