// Short names as Slack has them.
export const EMOJI = {
  "+1": "👍", "-1": "👎", alarm_clock: "⏰", arrow_backward: "◀️", arrow_down: "⬇️", arrow_forward: "▶️", arrow_right: "➡️",
  arrow_up: "⬆️", arrows_counterclockwise: "🔄", back: "🔙", bell: "🔔", book: "📖", bookmark: "🔖", boom: "💥", broken_heart: "💔",
  bug: "🐛", bulb: "💡", calendar: "📅", chart_with_upwards_trend: "📈", clipboard: "📋", clock1: "🕐", construction: "🚧",
  crescent_moon: "🌙", dash: "💨", double_vertical_bar: "⏸️", eyes: "👀", exclamation: "❗", fast_forward: "⏩", file_folder: "📁",
  fire: "🔥", fire_engine: "🚒", gear: "⚙️", grey_question: "❔", hammer: "🔨", hammer_and_wrench: "🛠️", hand: "✋", heart: "❤️",
  heavy_check_mark: "✔️", heavy_minus_sign: "➖", heavy_plus_sign: "➕", hourglass: "⌛", hourglass_flowing_sand: "⏳", house: "🏠",
  information_source: "ℹ️", joy: "😂", key: "🔑", label: "🏷️", large_blue_circle: "🔵", large_green_circle: "🟢",
  large_orange_circle: "🟠", large_red_circle: "🔴", large_yellow_circle: "🟡", link: "🔗", lock: "🔒", loudspeaker: "📢", mag: "🔍",
  mag_right: "🔎", mega: "📣", memo: "📝", muscle: "💪", mute: "🔇", no_bell: "🔕", no_entry: "⛔", no_entry_sign: "🚫",
  octagonal_sign: "🛑", ok: "🆗", ok_hand: "👌", package: "📦", pager: "📟", pause_button: "⏸️", pencil2: "✏️", play_or_pause_button: "⏯️",
  pushpin: "📌", question: "❓", raised_hand: "✋", recycle: "♻️", repeat: "🔁", rewind: "⏪", robot_face: "🤖", rocket: "🚀",
  rotating_light: "🚨", scroll: "📜", see_no_evil: "🙈", seedling: "🌱", shield: "🛡️", ship: "🚢", sleeping: "😴", smile: "😄", snail: "🐌",
  sos: "🆘", sparkles: "✨", speech_balloon: "💬", stopwatch: "⏱️", tada: "🎉", thinking_face: "🤔", thumbsup: "👍", ticket: "🎫",
  timer_clock: "⏲️", triangular_flag_on_post: "🚩", twisted_rightwards_arrows: "🔀", unlock: "🔓", warning: "⚠️", wastebasket: "🗑️",
  wave: "👋", white_check_mark: "✅", white_circle: "⚪", black_circle: "⚫", wrench: "🔧", x: "❌", zap: "⚡", zzz: "💤",
  heavy_exclamation_mark: "❗", black_square_for_stop: "⏹️", stop_button: "⏹️", new: "🆕", speaking_head_in_silhouette: "🗣️", telephone_receiver: "📞",
};
